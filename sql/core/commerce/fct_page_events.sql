select
    event_id,
    session_id,
    occurred_at,
    cast(occurred_at as date) as occurred_on,
    event_type,
    cast(case event_type
        when 'page_view' then 1
        when 'product_view' then 2
        when 'add_to_cart' then 3
        when 'checkout' then 4
        when 'purchase' then 5
    end as integer) as funnel_step,
    page,
    product_id,
    scroll_depth
from staging.stg_shop__page_events
