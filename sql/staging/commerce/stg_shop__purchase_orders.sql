-- The newest delivery of a purchase order's product wins as a whole.
-- The place rises by night, then by delivery, for an old night may be corrected late, then by record; a group and a
-- join keep whole rows out of a sort.
with newest as (
    select
        purchase_order_id,
        product_id,
        max(
            cast(cast(_night - date '2000-01-01' as bigint) * 10000000 + _delivery as decimal(18, 0)) * 1000000000000
            + _record
        ) as place
    from bronze.purchase_orders
    group by purchase_order_id, product_id
)

select
    purchase_orders.purchase_order_id,
    purchase_orders.supplier_id,
    purchase_orders.supplier_name,
    purchase_orders.product_id,
    purchase_orders.ordered_on,
    purchase_orders.expected_on,
    purchase_orders.received_on,
    purchase_orders.quantity_ordered,
    purchase_orders.quantity_received,
    purchase_orders.unit_cost
from newest
inner join bronze.purchase_orders as purchase_orders
    on purchase_orders.purchase_order_id = newest.purchase_order_id
    and purchase_orders.product_id = newest.product_id
    and newest.place
    = cast(cast(purchase_orders._night - date '2000-01-01' as bigint) * 10000000 + purchase_orders._delivery as decimal(18, 0))
    * 1000000000000 + purchase_orders._record
