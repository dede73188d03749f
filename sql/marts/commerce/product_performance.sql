-- Cost is the last one known. A product with no cost has no margin, rather than a margin of its revenue.
with sold as (
    select
        product_id,
        count(*) as order_lines,
        sum(quantity) as units_sold,
        sum(gross_revenue) as gross_revenue,
        sum(discount_amount) as discount_amount,
        sum(case when ordered_on > $night - 30 then gross_revenue else 0 end) as gross_revenue_last_30_days,
        count(cost_amount) as costed_lines,
        sum(cost_amount) as cost_amount,
        min(ordered_on) as first_sold_on,
        max(ordered_on) as last_sold_on
    from core.fct_order_items
    where is_sale
    group by product_id
),

returned as (
    select
        product_id,
        sum(returned_units) as units_returned,
        sum(refunded_revenue) as refunds
    from core.fct_refunds
    where product_id is not null
    group by product_id
),

reviewed as (
    select
        product_id,
        count(*) as reviews,
        cast(sum(rating) as double) / nullif(cast(count(rating) as double), 0) as average_rating
    from core.fct_reviews
    group by product_id
),

exports as (
    select
        (select count(*) from core.fct_refunds) > 0 as has_refunds,
        (select count(*) from core.fct_order_items) > 0 as has_lines,
        (select count(*) from core.fct_reviews) > 0 as has_reviews
),

products as (
    select
        coalesce(catalogue.product_id, sold.product_id) as product_id,
        catalogue.name,
        catalogue.category,
        coalesce(sold.order_lines, 0) as order_lines,
        coalesce(sold.units_sold, 0) as units_sold,
        coalesce(sold.gross_revenue, 0) as gross_revenue,
        coalesce(sold.discount_amount, 0) as discount_amount,
        coalesce(sold.gross_revenue_last_30_days, 0) as gross_revenue_last_30_days,
        case
            when sold.costed_lines = sold.order_lines then sold.cost_amount
            when sold.product_id is null and catalogue.unit_cost is not null then 0
        end as cost_amount,
        sold.first_sold_on,
        sold.last_sold_on
    from core.dim_product as catalogue
    full join sold
        on sold.product_id = catalogue.product_id
)

select
    products.product_id,
    products.name,
    products.category,
    case when has_lines then products.order_lines end as order_lines,
    cast(case when has_lines then products.units_sold end as bigint) as units_sold,
    cast(case when has_lines then products.gross_revenue end as decimal(18, 4)) as gross_revenue,
    cast(case when has_lines then products.gross_revenue_last_30_days end as decimal(18, 4)) as gross_revenue_last_30_days,
    cast(case when has_lines then products.discount_amount end as decimal(18, 2)) as discount_amount,
    cast(case when has_refunds then coalesce(returned.refunds, 0) end as decimal(18, 2)) as refunds,
    cast(case when has_refunds then coalesce(returned.units_returned, 0) end as bigint) as units_returned,
    case when has_refunds then
        cast(coalesce(returned.units_returned, 0) as double) / nullif(cast(products.units_sold as double), 0)
    end as return_rate,
    cast(case when has_lines then products.cost_amount end as decimal(18, 4)) as cost_amount,
    cast(case when has_lines then products.gross_revenue - products.cost_amount end as decimal(18, 4)) as margin_amount,
    cast(products.gross_revenue - products.cost_amount as double)
        / nullif(cast(products.gross_revenue as double), 0) as margin_rate,
    cast(products.gross_revenue as double)
        / nullif(cast(sum(products.gross_revenue) over () as double), 0) as revenue_share,
    case when products.order_lines > 0 then
        cast(rank() over (order by products.gross_revenue desc nulls last) as bigint)
    end as revenue_rank,
    case when products.order_lines > 0 then
        cast(rank() over (
            partition by products.category order by products.gross_revenue desc nulls last
        ) as bigint)
    end as category_revenue_rank,
    products.first_sold_on,
    products.last_sold_on,
    case when has_reviews then coalesce(reviewed.reviews, 0) end as reviews,
    reviewed.average_rating
from products
cross join exports
left join returned
    on returned.product_id = products.product_id
left join reviewed
    on reviewed.product_id = products.product_id
