-- The analytics tool writes its own code words, so they are read as they are.
select
    session_id,
    visitor_id,
    customer_id,
    started_at,
    ended_at,
    platform,
    device,
    channel,
    campaign,
    landing_page,
    country,
    page_views
from bronze.sessions
