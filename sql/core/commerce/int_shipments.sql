-- A delivery of an order or of one of its shipments brings all shipments of the order anew.
with deliveries as (
    select order_id, delivered_on as told_on
    from staging.stg_shop__order_deliveries
    where delivered_on >= $window_start and delivered_on < $window_end
    union all
    select order_id, exported_on as told_on
    from staging.stg_shop__shipment_deliveries
    where exported_on >= $window_start and exported_on < $window_end
),

touched as (
    select order_id, max(told_on) as changed_on
    from deliveries
    group by order_id
),

shipments as (
    select
        shipments.shipment_id,
        shipments.order_id,
        shipments.carrier,
        shipments.status,
        shipments.shipped_at,
        shipments.promised_on,
        shipments.delivered_at,
        shipments.items_shipped,
        shipments.items_correct,
        touched.changed_on
    from touched
    inner join staging.stg_shop__shipments as shipments
        on shipments.order_id = touched.order_id
)

select
    shipments.shipment_id,
    shipments.order_id,
    cast(orders.ordered_at as date) as ordered_on,
    shipments.carrier,
    shipments.status,
    shipments.shipped_at,
    cast(shipments.shipped_at as date) as shipped_on,
    cast(date_trunc('month', shipments.shipped_at) as date) as shipped_month,
    shipments.promised_on,
    shipments.delivered_at,
    cast(shipments.delivered_at as date) as delivered_on,
    cast(floor(extract(epoch from (shipments.shipped_at - orders.ordered_at))) as bigint) as seconds_to_ship,
    cast(floor(extract(epoch from (shipments.delivered_at - orders.ordered_at))) as bigint) as seconds_to_deliver,
    shipments.items_shipped,
    shipments.items_correct,
    shipments.changed_on
from shipments
left join staging.stg_shop__orders as orders
    on orders.order_id = shipments.order_id
