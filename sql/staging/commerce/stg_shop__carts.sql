-- The newest delivery of a cart wins as a whole.
with deliveries as (
    select
        cart_id,
        customer_id,
        session_id,
        created_at,
        updated_at,
        checkout_started_at,
        converted_at,
        order_id,
        items,
        value_amount,
        row_number() over (
            partition by cart_id
            order by _delivery desc nulls last, _record desc nulls last
        ) as recency
    from bronze.carts
)

select
    cart_id,
    customer_id,
    session_id,
    created_at,
    updated_at,
    checkout_started_at,
    converted_at,
    order_id,
    items,
    value_amount
from deliveries
where recency = 1
