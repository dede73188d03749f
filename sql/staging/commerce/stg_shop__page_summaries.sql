-- A page and day is delivered once.
select
    day,
    page,
    views,
    clicks,
    rage_clicks,
    recordings,
    average_scroll_depth
from bronze.page_summaries
