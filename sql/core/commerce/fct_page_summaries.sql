select
    day,
    page,
    views,
    clicks,
    rage_clicks,
    recordings,
    average_scroll_depth,
    cast(clicks as double) / nullif(cast(views as double), 0) as clicks_per_view,
    cast(rage_clicks as double) / nullif(cast(clicks as double), 0) as rage_click_rate
from staging.stg_shop__page_summaries
