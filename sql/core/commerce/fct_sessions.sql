select
    session_id,
    visitor_id,
    customer_id,
    started_at,
    cast(started_at as date) as started_on,
    ended_at,
    platform,
    device,
    channel,
    campaign,
    landing_page,
    country,
    page_views,
    page_views <= 1 as is_bounce,
    cast(floor(extract(epoch from (ended_at - started_at))) as bigint) as duration_seconds
from staging.stg_shop__sessions
