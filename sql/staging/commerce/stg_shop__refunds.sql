-- A refund is delivered once.
select
    refund_id,
    order_id,
    customer_id,
    product_id,
    quantity,
    refunded_at,
    amount,
    lower(trim(reason)) as reason
from bronze.refunds
