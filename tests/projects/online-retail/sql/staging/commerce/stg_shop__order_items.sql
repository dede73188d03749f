select
    invoice_no as order_id,
    line_number,
    product_id,
    quantity,
    unit_price,
    cast(null as decimal(18, 2)) as discount_amount,
    delivered_on
from staging.stg_retail__lines
where kind = 'sale'
