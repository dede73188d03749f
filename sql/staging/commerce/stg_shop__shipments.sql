-- The newest delivery of a shipment wins as a whole.
-- The place rises by night, then by delivery, for an old night may be corrected late, then by record; a group and a
-- join keep whole rows out of a sort.
with newest as (
    select
        shipment_id,
        max(
            cast(cast(_night - date '2000-01-01' as bigint) * 10000000 + _delivery as decimal(18, 0)) * 1000000000000
            + _record
        ) as place
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
    shipments._delivery * 1000000000000 + shipments._record as version
from newest
inner join bronze.shipments as shipments
    on shipments.shipment_id = newest.shipment_id
    and newest.place
    = cast(cast(shipments._night - date '2000-01-01' as bigint) * 10000000 + shipments._delivery as decimal(18, 0))
    * 1000000000000 + shipments._record
where shipments._night >= $window_start and shipments._night < $window_end
