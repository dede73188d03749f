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

categories as (
    select
        ranked_orders.customer_id,
        ranked_orders.order_id,
        ranked_orders.ordered_on,
        ranked_orders.channel,
        items.category,
        sum(items.gross_revenue) as gross_revenue
    from ranked_orders
    left join core.fct_order_items as items
        on items.order_id = ranked_orders.order_id
        and items.category is not null
    where ranked_orders.position = 1
    group by
        ranked_orders.customer_id, ranked_orders.order_id, ranked_orders.ordered_on,
        ranked_orders.channel, items.category
),

ranked_categories as (
    select
        customer_id,
        order_id,
        ordered_on,
        channel,
        category,
        row_number() over (
            partition by customer_id order by gross_revenue desc nulls last, category nulls last
        ) as position
    from categories
)

select
    customer_id,
    order_id as first_order_id,
    ordered_on as first_order_on,
    channel as first_channel,
    category as first_category
from ranked_categories
where position = 1
