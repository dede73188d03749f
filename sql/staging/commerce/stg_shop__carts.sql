-- The newest delivery of a cart wins as a whole.
-- The place rises by night, then by delivery, for an old night may be corrected late, then by record; a group and a
-- join keep whole rows out of a sort.
with newest as (
    select
        cart_id,
        max(
            cast(cast(_night - date '2000-01-01' as bigint) * 10000000 + _delivery as decimal(18, 0)) * 1000000000000
            + _record
        ) as place
    from bronze.carts
    where _night >= $window_start and _night < $window_end
    group by cart_id
)

select
    carts.cart_id,
    carts.customer_id,
    carts.session_id,
    carts.created_at,
    carts.updated_at,
    carts.checkout_started_at,
    carts.converted_at,
    carts.order_id,
    carts.items,
    carts.value_amount,
    cast(date_trunc('month', carts.created_at) as date) as created_month,
    carts._night as delivered_on,
    carts._delivery * 1000000000000 + carts._record as version
from newest
inner join bronze.carts as carts
    on carts.cart_id = newest.cart_id
    and newest.place
    = cast(cast(carts._night - date '2000-01-01' as bigint) * 10000000 + carts._delivery as decimal(18, 0))
    * 1000000000000 + carts._record
where carts._night >= $window_start and carts._night < $window_end
