-- Late means delivered after the day promised, or not delivered when the night is past it.
select
    shipment_id,
    order_id,
    ordered_on,
    carrier,
    status,
    shipped_at,
    shipped_on,
    promised_on,
    delivered_at,
    delivered_on,
    seconds_to_ship,
    seconds_to_deliver,
    case
        when promised_on is null then null
        when delivered_on is not null then delivered_on <= promised_on
        when promised_on < $night then false
    end as is_on_time,
    items_shipped,
    items_correct
from core.int_shipments
