-- An order is delivered when it is placed and each time that its status changes: what a night brings of it is
-- found here without reading what it is made of.
select
    order_id,
    _night as delivered_on
from bronze.orders
