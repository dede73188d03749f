-- One id went through a spreadsheet. No price, cost or launch day is exported.
select
    case when product_id = '9e+05' then '900000' else product_id end as product_id,
    name,
    category,
    subcategory,
    brand,
    supplier_id,
    cast(null as decimal(18, 4)) as unit_cost,
    cast(null as decimal(18, 2)) as list_price,
    cast(null as boolean) as active,
    cast(null as date) as launched_on,
    true as is_listed
from bronze.products
