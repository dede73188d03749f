-- A refund counts on its own day. One of a cancelled order gives back what was never counted as revenue.
select
    refunds.refund_id,
    refunds.order_id,
    coalesce(orders.customer_id, refunds.customer_id) as customer_id,
    orders.ordered_on,
    refunds.refunded_at,
    cast(refunds.refunded_at as date) as refunded_on,
    orders.channel,
    orders.sales_type,
    refunds.product_id,
    products.category,
    cast(coalesce(refunds.quantity, 0) as integer) as quantity,
    refunds.amount,
    cast(case when orders.is_sale is distinct from false then coalesce(refunds.quantity, 0) else 0 end as integer) as returned_units,
    cast(case when orders.is_sale is distinct from false then refunds.amount else 0 end as decimal(18, 2)) as refunded_revenue,
    refunds.reason
from staging.stg_shop__refunds as refunds
left join core.fct_orders as orders
    on orders.order_id = refunds.order_id
left join core.dim_product as products
    on products.product_id = refunds.product_id
