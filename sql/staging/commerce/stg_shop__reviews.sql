-- A review is delivered once.
select
    review_id,
    product_id,
    customer_id,
    rating,
    title,
    body,
    lower(trim(language)) as language,
    created_at
from bronze.reviews
