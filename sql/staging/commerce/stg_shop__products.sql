-- Every product ever listed, as its newest snapshot shows it: what was sold keeps its category and cost
-- after the shop takes it out of the catalogue.
-- The place rises by night, then by delivery, for an old night may be corrected late, then by record; a group and a
-- join keep whole rows out of a sort.
with newest as (
    select
        product_id,
        max(
            cast(cast(_night - date '2000-01-01' as bigint) * 10000000 + _delivery as decimal(18, 0)) * 1000000000000
            + _record
        ) as place
    from bronze.products
    group by product_id
),

catalogue as (
    select max(cast(_night - date '2000-01-01' as bigint) * 10000000 + _delivery) as newest_delivery
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
    cast(products._night - date '2000-01-01' as bigint) * 10000000 + products._delivery
    = catalogue.newest_delivery as is_listed
from newest
inner join bronze.products as products
    on products.product_id = newest.product_id
    and newest.place
    = cast(cast(products._night - date '2000-01-01' as bigint) * 10000000 + products._delivery as decimal(18, 0))
    * 1000000000000 + products._record
cross join catalogue
