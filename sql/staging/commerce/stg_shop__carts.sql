-- The newest delivery of a cart wins as a whole.
-- The version rises by delivery, then by record; a group and a join keep whole rows out of a sort.
with newest as (
    select
        cart_id,
        max(_delivery * 1000000000000 + _record) as version
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
    newest.version
from newest
inner join bronze.carts as carts
    on carts.cart_id = newest.cart_id
    and carts._delivery * 1000000000000 + carts._record = newest.version
where carts._night >= $window_start and carts._night < $window_end
