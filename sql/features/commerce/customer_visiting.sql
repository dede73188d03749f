-- What a customer did since the last order tells whether a silent one still looks in.
-- It is joined to the spine beforehand, not to the many rows of what was done.
with aged_visits as (
    select
        spine.customer_id, spine.night, visits.day, visits.sessions, visits.app_sessions, visits.page_views,
        visits.carts, visits.converted_carts,
        cast(spine.night - visits.day as integer) as age,
        visits.day > spine.last_order_on as is_since_order
    from features.customer_last_orders as spine
    inner join core.int_visit_days as visits
        on visits.customer_id = spine.customer_id
        and visits.day <= spine.night
        and spine.night - visits.day < 365
)

select
    customer_id,
    night,
    max(case when sessions > 0 then day end) as last_session_on,
    cast(sum(case when age < 30 then sessions else 0 end) as integer) as sessions_30d,
    cast(sum(case when age < 90 then sessions else 0 end) as integer) as sessions_90d,
    cast(sum(case when age >= 90 and age < 180 then sessions else 0 end) as integer) as sessions_before_90d,
    cast(sum(sessions) as integer) as sessions_365d,
    cast(sum(case when is_since_order then sessions else 0 end) as integer) as sessions_since_order,
    cast(sum(app_sessions) as integer) as app_sessions_365d,
    cast(sum(case when age < 90 then page_views end) as integer) as page_views_90d,
    cast(sum(case when age < 90 and page_views is not null then sessions end) as integer) as counted_sessions_90d,
    cast(sum(case when age < 30 then carts else 0 end) as integer) as carts_30d,
    cast(sum(case when age < 90 then carts else 0 end) as integer) as carts_90d,
    cast(sum(case when age >= 90 and age < 180 then carts else 0 end) as integer) as carts_before_90d,
    cast(sum(carts) as integer) as carts_365d,
    cast(sum(case when is_since_order then carts else 0 end) as integer) as carts_since_order,
    cast(sum(case when age < 30 then converted_carts else 0 end) as integer) as converted_30d,
    cast(sum(case when age < 90 then converted_carts else 0 end) as integer) as converted_90d,
    cast(sum(case when age >= 90 and age < 180 then converted_carts else 0 end) as integer) as converted_before_90d,
    cast(sum(converted_carts) as integer) as converted_365d
from aged_visits
group by customer_id, night
