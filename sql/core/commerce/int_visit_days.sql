-- A cart counts on the day it was opened, its conversion on the day it became an order, so that a past night sees
-- carts as they stood. A cart that names its order and no moment has no such day: it is never converted here.
with visits as (
    select
        customer_id,
        started_on as day,
        count(*) as sessions,
        sum(case when platform = 'app' then 1 else 0 end) as app_sessions,
        sum(page_views) as page_views,
        0 as carts,
        0 as converted_carts
    from core.fct_sessions
    where customer_id is not null
        and started_on >= $window_start and started_on < $window_end
    group by customer_id, started_on
    union all
    select
        customer_id,
        cast(created_at as date),
        0, 0, null,
        count(*),
        0
    from staging.stg_shop__carts
    where customer_id is not null
        and created_at >= $window_start and created_at < $window_end
    group by customer_id, cast(created_at as date)
    union all
    select
        customer_id,
        cast(converted_at as date),
        0, 0, null, 0,
        count(*)
    from staging.stg_shop__carts
    where customer_id is not null
        and converted_at >= $window_start and converted_at < $window_end
    group by customer_id, cast(converted_at as date)
)

select
    customer_id,
    day,
    cast(date_trunc('month', day) as date) as month,
    cast(sum(sessions) as integer) as sessions,
    cast(sum(app_sessions) as integer) as app_sessions,
    cast(sum(page_views) as integer) as page_views,
    cast(sum(carts) as integer) as carts,
    cast(sum(converted_carts) as integer) as converted_carts
from visits
group by customer_id, day
