-- The newest delivery of a shipment wins as a whole.
with deliveries as (
    select
        shipment_id,
        order_id,
        carrier,
        shipped_at,
        promised_on,
        delivered_at,
        status,
        items_shipped,
        items_correct,
        row_number() over (
            partition by shipment_id
            order by _delivery desc nulls last, _record desc nulls last
        ) as recency
    from bronze.shipments
)

select
    shipment_id,
    order_id,
    trim(carrier) as carrier,
    shipped_at,
    promised_on,
    delivered_at,
    lower(trim(status)) as status,
    items_shipped,
    items_correct
from deliveries
where recency = 1
