-- The newest delivery of a shipment wins as a whole.
-- The version rises by delivery, then by record; a group and a join keep whole rows out of a sort.
with newest as (
    select
        shipment_id,
        max(_delivery * 1000000000000 + _record) as version
    from bronze.shipments
    where _night >= $window_start and _night < $window_end
    group by shipment_id
)

select
    shipments.shipment_id,
    shipments.order_id,
    trim(shipments.carrier) as carrier,
    shipments.shipped_at,
    shipments.promised_on,
    shipments.delivered_at,
    lower(trim(shipments.status)) as status,
    shipments.items_shipped,
    shipments.items_correct,
    cast(date_trunc('month', shipments.shipped_at) as date) as shipped_month,
    shipments._night as exported_on,
    newest.version
from newest
inner join bronze.shipments as shipments
    on shipments.shipment_id = newest.shipment_id
    and shipments._delivery * 1000000000000 + shipments._record = newest.version
where shipments._night >= $window_start and shipments._night < $window_end
