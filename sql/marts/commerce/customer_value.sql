-- One row per customer with a sale; guests have no customer_id and are in no row.
with sales as (
    select
        customer_id,
        sum(orders) as orders,
        sum(gross_revenue) as gross_revenue,
        min(first_order_on) as first_order_on,
        max(last_order_on) as last_order_on
    from core.int_customer_months
    group by customer_id
),

customer_categories as (
    select
        customer_id,
        category
    from core.fct_order_items
    where is_sale and customer_id is not null and category is not null
    group by customer_id, category
),

categories as (
    select
        customer_id,
        count(*) as categories
    from customer_categories
    group by customer_id
),

refunded as (
    select
        customer_id,
        sum(refunded_revenue) as refunds
    from core.fct_refunds
    where customer_id is not null
    group by customer_id
),

refund_export as (
    select count(*) > 0 as has_refunds
    from core.fct_refunds
),

catalogue_export as (
    select count(category) > 0 as has_categories
    from core.dim_product
)

select
    sales.customer_id,
    cast(sales.orders as bigint) as orders,
    cast(sales.gross_revenue as decimal(18, 4)) as gross_revenue,
    cast(
        case when refund_export.has_refunds then coalesce(refunded.refunds, 0) end as decimal(18, 2)
    ) as refunds,
    cast(
        case when refund_export.has_refunds then sales.gross_revenue - coalesce(refunded.refunds, 0) end
        as decimal(18, 4)
    ) as net_revenue,
    cast(sales.gross_revenue as double) / nullif(cast(sales.orders as double), 0) as average_order_value,
    cast($night - sales.last_order_on as integer) as recency_days,
    cast($night - sales.first_order_on as integer) as tenure_days,
    sales.first_order_on,
    sales.last_order_on,
    cast(
        case when catalogue_export.has_categories then coalesce(categories.categories, 0) end as integer
    ) as categories
from sales
cross join refund_export
cross join catalogue_export
left join refunded
    on refunded.customer_id = sales.customer_id
left join categories
    on categories.customer_id = sales.customer_id
