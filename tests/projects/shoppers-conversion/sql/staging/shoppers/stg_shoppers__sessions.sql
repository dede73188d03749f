-- Sessions by the number of their record: the export has no name for them.
select
    cast(_record as varchar) as session_id,
    administrative_pages,
    administrative_seconds,
    informational_pages,
    informational_seconds,
    product_pages,
    product_seconds,
    bounce_rate,
    exit_rate,
    page_value,
    special_day,
    month,
    operating_system,
    browser,
    region,
    traffic,
    lower(replace(visitor, '_Visitor', '')) as visitor,
    is_weekend,
    is_bought
from bronze.shop_sessions
