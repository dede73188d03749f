-- Names and prices are those of the last sale; notes on stock corrections ("damaged", "?") are no names.
with sales as (
    select
        product_id,
        description,
        unit_price,
        row_number() over (
            partition by product_id
            order by invoiced_at desc nulls last, record desc nulls last
        ) as recency
    from staging.stg_retail__lines
    where kind = 'sale'
)

select
    product_id,
    description as name,
    cast(null as varchar) as category,
    cast(null as varchar) as subcategory,
    cast(null as varchar) as brand,
    cast(null as varchar) as supplier_id,
    cast(null as decimal(18, 4)) as unit_cost,
    cast(unit_price as decimal(18, 2)) as list_price,
    cast(null as boolean) as active,
    cast(null as date) as launched_on,
    true as is_listed
from sales
where recency = 1
