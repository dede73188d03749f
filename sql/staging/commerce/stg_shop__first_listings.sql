-- The catalogue is exported without its past. What a product was first listed as never changes again, so it may
-- be asked of any night; the category of today may not.
-- The version rises by delivery, then by record; a group and a join keep whole rows out of a sort.
with first as (
    select
        product_id,
        min(_delivery * 1000000000000 + _record) as version
    from bronze.products
    where category is not null
    group by product_id
)

select
    products.product_id,
    trim(products.category) as category
from first
inner join bronze.products as products
    on products.product_id = first.product_id
    and products._delivery * 1000000000000 + products._record = first.version
