-- Two orders of the same instant are told apart by their number, two categories of the same value by
-- their name, so that a customer's first purchase never changes from run to run.
with ranked_orders as (
    select
        customer_id,
        order_id,
        ordered_on,
        channel,
        row_number() over (partition by customer_id order by ordered_at nulls last, order_id nulls last) as position
    from core.fct_orders
    where is_sale and customer_id is not null
),

first_orders as (
    select
        customer_id,
        order_id,
        ordered_on,
        channel
    from ranked_orders
    where position = 1
),

categories as (
    select
        first_orders.order_id,
        items.category,
        sum(items.gross_revenue) as gross_revenue
    from first_orders
    inner join core.fct_order_items as items
        on items.order_id = first_orders.order_id
    where items.category is not null
    group by first_orders.order_id, items.category
),

ranked_categories as (
    select
        order_id,
        category,
        row_number() over (
            partition by order_id order by gross_revenue desc nulls last, category nulls last
        ) as position
    from categories
)

select
    first_orders.customer_id,
    first_orders.order_id as first_order_id,
    first_orders.ordered_on as first_order_on,
    first_orders.channel as first_channel,
    ranked_categories.category as first_category
from first_orders
left join ranked_categories
    on ranked_categories.order_id = first_orders.order_id
    and ranked_categories.position = 1
