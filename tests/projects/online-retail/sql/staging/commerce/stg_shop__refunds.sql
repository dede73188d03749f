-- A cancellation names its customer and product, never the invoice it cancels.
select
    concat(invoice_no, '-', cast(line_number as varchar)) as refund_id,
    cast(null as varchar) as order_id,
    customer_id,
    product_id,
    cast(-quantity as integer) as quantity,
    invoiced_at as refunded_at,
    cast(-(quantity * unit_price) as decimal(18, 2)) as amount,
    'cancellation' as reason
from staging.stg_retail__lines
where kind = 'cancellation'
