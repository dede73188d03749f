-- Stars outside 1 to 5 are a fault of the export: the review counts, its stars do not.
select
    review_id,
    product_id,
    customer_id,
    case when rating between 1 and 5 then rating end as rating,
    title,
    body,
    language,
    created_at,
    cast(created_at as date) as created_on
from staging.stg_shop__reviews
