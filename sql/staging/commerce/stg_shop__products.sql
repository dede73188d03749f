-- Every product ever listed, as its newest snapshot shows it: what was sold keeps its category and cost
-- after the shop takes it out of the catalogue.
-- The version rises by delivery, then by record; a group and a join keep whole rows out of a sort.
with newest as (
    select
        product_id,
        max(_delivery * 1000000000000 + _record) as version
    from bronze.products
    group by product_id
),

catalogue as (
    select max(_delivery) as newest_delivery
    from bronze.products
)

select
    products.product_id,
    trim(products.name) as name,
    trim(products.category) as category,
    trim(products.subcategory) as subcategory,
    trim(products.brand) as brand,
    products.supplier_id,
    products.unit_cost,
    products.list_price,
    products.active,
    products.launched_on,
    products._delivery = catalogue.newest_delivery as is_listed
from newest
inner join bronze.products as products
    on products.product_id = newest.product_id
    and products._delivery * 1000000000000 + products._record = newest.version
cross join catalogue
