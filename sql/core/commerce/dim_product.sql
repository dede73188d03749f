select
    product_id,
    name,
    category,
    subcategory,
    brand,
    supplier_id,
    unit_cost,
    list_price,
    active,
    is_listed,
    launched_on
from staging.stg_shop__products
