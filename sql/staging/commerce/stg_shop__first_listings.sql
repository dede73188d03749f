-- The catalogue is exported without its past. What a product was first listed as never changes again, so it may
-- be asked of any night; the category of today may not.
-- The place rises by night, then by delivery, for an old night may be corrected late, then by record; a group and a
-- join keep whole rows out of a sort.
with first as (
    select
        product_id,
        min(
            cast(cast(_night - date '2000-01-01' as bigint) * 10000000 + _delivery as decimal(18, 0)) * 1000000000000
            + _record
        ) as place
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
    and first.place
    = cast(cast(products._night - date '2000-01-01' as bigint) * 10000000 + products._delivery as decimal(18, 0))
    * 1000000000000 + products._record
