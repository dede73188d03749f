-- A cart is given up when the night ends and nobody touched it that day; until then it is still open.
-- One that names its order became one, even where the tool gives no moment for it.
with carts as (
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
        converted_at is not null or order_id is not null as is_converted,
        cast(greatest(
            created_at,
            coalesce(updated_at, created_at),
            coalesce(checkout_started_at, created_at)
        ) as date) as last_touched_on
    from staging.stg_shop__carts
)

select
    cart_id,
    customer_id,
    session_id,
    created_at,
    cast(created_at as date) as created_on,
    updated_at,
    checkout_started_at,
    converted_at,
    order_id,
    items,
    value_amount,
    case
        when is_converted then 'converted'
        when last_touched_on < $night then 'abandoned'
        else 'open'
    end as outcome,
    checkout_started_at is not null or is_converted as reached_checkout
from carts
