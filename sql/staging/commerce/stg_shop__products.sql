-- Every product ever listed, as its newest snapshot shows it: what was sold keeps its category and cost
-- after the shop takes it out of the catalogue. Grouping first keeps the sort to one snapshot's size.
with snapshots as (
    select
        product_id,
        max(_delivery) as newest_delivery
    from bronze.products
    group by product_id
),

catalogue as (
    select max(_delivery) as newest_delivery
    from bronze.products
),

newest as (
    select
        products.product_id,
        products.name,
        products.category,
        products.subcategory,
        products.brand,
        products.supplier_id,
        products.unit_cost,
        products.list_price,
        products.active,
        products.launched_on,
        products._delivery,
        row_number() over (partition by products.product_id order by products._record desc nulls last) as recency
    from snapshots
    inner join bronze.products as products
        on products.product_id = snapshots.product_id
        and products._delivery = snapshots.newest_delivery
)

select
    newest.product_id,
    trim(newest.name) as name,
    trim(newest.category) as category,
    trim(newest.subcategory) as subcategory,
    trim(newest.brand) as brand,
    newest.supplier_id,
    newest.unit_cost,
    newest.list_price,
    newest.active,
    newest.launched_on,
    newest._delivery = catalogue.newest_delivery as is_listed
from newest
cross join catalogue
where newest.recency = 1
