-- Late means delivered after the day promised, or not delivered when the night is past it.
with timed as (
    select
        shipments.shipment_id,
        shipments.order_id,
        orders.ordered_at,
        orders.ordered_on,
        shipments.carrier,
        shipments.status,
        shipments.shipped_at,
        shipments.promised_on,
        shipments.delivered_at,
        shipments.items_shipped,
        shipments.items_correct,
        cast(shipments.delivered_at as date) as delivered_on
    from staging.stg_shop__shipments as shipments
    left join core.fct_orders as orders
        on orders.order_id = shipments.order_id
)

select
    shipment_id,
    order_id,
    ordered_on,
    carrier,
    status,
    shipped_at,
    cast(shipped_at as date) as shipped_on,
    promised_on,
    delivered_at,
    delivered_on,
    cast(floor(extract(epoch from (shipped_at - ordered_at))) as bigint) as seconds_to_ship,
    cast(floor(extract(epoch from (delivered_at - ordered_at))) as bigint) as seconds_to_deliver,
    case
        when promised_on is null then null
        when delivered_on is not null then delivered_on <= promised_on
        when promised_on < $night then false
    end as is_on_time,
    items_shipped,
    items_correct
from timed
