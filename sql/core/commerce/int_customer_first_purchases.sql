-- The first sale of a customer is the first of their first month; two categories of the same value are told apart
-- by their name, so that a customer's first purchase never changes from run to run.
with first_months as (
    select
        customer_id,
        min(month) as month
    from core.int_customer_months
    group by customer_id
),

first_orders as (
    select
        months.customer_id,
        months.first_order_id,
        months.first_order_on,
        months.first_channel
    from first_months
    inner join core.int_customer_months as months
        on months.customer_id = first_months.customer_id
        and months.month = first_months.month
),

categories as (
    select
        first_orders.customer_id,
        items.category,
        sum(items.gross_revenue) as gross_revenue
    from first_orders
    inner join core.fct_order_items as items
        on items.order_id = first_orders.first_order_id
    where items.category is not null
    group by first_orders.customer_id, items.category
),

highest as (
    select
        customer_id,
        max(gross_revenue) as gross_revenue
    from categories
    group by customer_id
),

first_categories as (
    select
        categories.customer_id,
        min(categories.category) as category
    from highest
    inner join categories
        on categories.customer_id = highest.customer_id
        and categories.gross_revenue = highest.gross_revenue
    group by categories.customer_id
)

select
    first_orders.customer_id,
    first_orders.first_order_id,
    first_orders.first_order_on,
    first_orders.first_channel,
    first_categories.category as first_category
from first_orders
left join first_categories
    on first_categories.customer_id = first_orders.customer_id
