-- A shipment is delivered each time that its status changes: what a night brings of an order's shipments is found
-- here without reading what they are made of.
select
    order_id,
    _night as exported_on
from bronze.shipments
