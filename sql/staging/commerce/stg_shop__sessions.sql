-- A session is delivered once.
select
    session_id,
    visitor_id,
    customer_id,
    started_at,
    ended_at,
    lower(trim(platform)) as platform,
    lower(trim(device)) as device,
    lower(trim(channel)) as channel,
    campaign,
    landing_page,
    upper(trim(country)) as country,
    page_views
from bronze.sessions
