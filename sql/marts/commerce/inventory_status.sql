-- Demand is known by product, not by location, so stock is added over locations. Only products of the
-- newest count are in stock at all: one that left the count is not "out of stock". A count older than
-- 28 days says nothing about today's stock.
with product_days as (
    select
        product_id,
        day,
        max(day) over () as newest_day,
        sum(on_hand) as on_hand,
        sum(coalesce(reserved, 0)) as reserved,
        sum(available) as available,
        sum(reorder_point) as reorder_point
    from core.fct_inventory
    where day > $night - 28
    group by product_id, day
),

stock as (
    select
        product_id,
        newest_day as counted_on,
        sum(case when day = newest_day then on_hand end) as on_hand,
        sum(case when day = newest_day then reserved end) as reserved,
        sum(case when day = newest_day then available end) as available,
        sum(case when day = newest_day then reorder_point end) as reorder_point,
        count(*) as counted_days,
        sum(case when on_hand <= 0 then 1 else 0 end) as stock_out_days,
        sum(on_hand) as on_hand_days
    from product_days
    group by product_id, newest_day
    having max(day) = newest_day
),

demand as (
    select
        product_id,
        sum(quantity) as units_sold
    from core.fct_order_items
    where is_sale and ordered_on > $night - 28
    group by product_id
),

incoming as (
    select
        product_id,
        sum(outstanding_units) as on_order,
        min(expected_on) as next_expected_on
    from core.fct_purchase_orders
    where is_open
    group by product_id
),

exports as (
    select
        (select count(*) from core.fct_order_items) > 0 as has_lines,
        (select count(*) from core.fct_purchase_orders) > 0 as has_purchase_orders
),

positions as (
    select
        stock.product_id,
        stock.counted_on,
        stock.on_hand,
        stock.reserved,
        stock.available,
        stock.reorder_point,
        stock.counted_days,
        stock.stock_out_days,
        stock.on_hand_days,
        case when exports.has_lines then coalesce(demand.units_sold, 0) end as units_sold,
        case when exports.has_purchase_orders then coalesce(incoming.on_order, 0) end as on_order,
        incoming.next_expected_on,
        stock.available + coalesce(incoming.on_order, 0) as position
    from stock
    cross join exports
    left join demand
        on demand.product_id = stock.product_id
    left join incoming
        on incoming.product_id = stock.product_id
)

select
    positions.product_id,
    products.name,
    products.category,
    products.supplier_id,
    positions.counted_on,
    cast($night - positions.counted_on as integer) as count_age_days,
    cast(positions.on_hand as bigint) as on_hand,
    cast(positions.reserved as bigint) as reserved,
    cast(positions.available as bigint) as available,
    cast(positions.on_order as bigint) as on_order,
    positions.next_expected_on,
    cast(positions.reorder_point as bigint) as reorder_point,
    cast(positions.on_hand * products.unit_cost as decimal(18, 4)) as stock_amount,
    cast(positions.units_sold as bigint) as units_sold_last_28_days,
    cast(case when positions.available > 0 then positions.available else 0 end as double) * 28
        / nullif(cast(case when positions.units_sold > 0 then positions.units_sold end as double), 0) as days_of_cover,
    cast(positions.stock_out_days as integer) as stock_out_days,
    cast(positions.stock_out_days as double) / nullif(cast(positions.counted_days as double), 0) as stock_out_rate,
    cast(positions.units_sold as double) * 365 * cast(positions.counted_days as double)
        / 28 / nullif(cast(positions.on_hand_days as double), 0) as yearly_turnover,
    positions.available <= 0 as is_out_of_stock,
    positions.position <= positions.reorder_point as needs_reorder,
    cast(case
        when positions.position <= positions.reorder_point
            then positions.reorder_point + positions.units_sold - positions.position
        when positions.position > positions.reorder_point then 0
    end as bigint) as reorder_units
from positions
left join core.dim_product as products
    on products.product_id = positions.product_id
