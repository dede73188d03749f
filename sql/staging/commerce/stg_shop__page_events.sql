-- The analytics tool writes its own code words, so they are read as they are: this is the longest export.
select
    event_id,
    session_id,
    occurred_at,
    event_type,
    page,
    product_id,
    scroll_depth
from bronze.page_events
