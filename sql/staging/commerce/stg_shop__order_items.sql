-- A line is delivered once. A key delivered twice is kept and an audit of the fact warns.
select
    order_id,
    line_number,
    product_id,
    quantity,
    unit_price,
    discount_amount,
    _night as delivered_on
from bronze.order_items
