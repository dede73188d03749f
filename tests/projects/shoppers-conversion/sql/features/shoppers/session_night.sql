select
    s.session_id,
    s.night,
    f.administrative_pages,
    f.administrative_seconds,
    f.informational_pages,
    f.informational_seconds,
    f.product_pages,
    f.product_seconds,
    f.bounce_rate,
    f.exit_rate,
    f.page_value,
    f.special_day,
    f.month,
    f.operating_system,
    f.browser,
    f.region,
    f.traffic,
    f.visitor,
    f.is_weekend
from features.session_spine as s
left join staging.stg_shoppers__sessions as f on f.session_id = s.session_id
