-- Every cohort has a row for every month up to the night, those in which nobody came back included.
with cells as (
    select
        purchase_cohort_month as cohort_month,
        acquisition_channel,
        sales_channel,
        first_category,
        month,
        active_customers as customers
    from core.int_cohort_months
    where active_customers > 0
),

split_cells as (
    select
        cells.cohort_month,
        splits.split,
        case splits.split
            when 'acquisition_channel' then cells.acquisition_channel
            when 'sales_channel' then cells.sales_channel
            when 'first_category' then cells.first_category
            else 'all'
        end as split_value,
        cells.month,
        sum(cells.customers) as customers
    from cells
    cross join (
        values ('all'), ('acquisition_channel'), ('sales_channel'), ('first_category')
    ) as splits (split)
    group by cells.cohort_month, splits.split, split_value, cells.month
),

months as (
    select
        day as month,
        month_end <= $night as is_complete,
        year * 12 + month as month_number
    from core.dim_date
    where day = month_start and day <= $night
),

triangle as (
    select
        split_cells.cohort_month,
        split_cells.split,
        split_cells.split_value,
        months.month,
        months.is_complete,
        months.month_number,
        sum(case when split_cells.month = split_cells.cohort_month then split_cells.customers else 0 end) as cohort_customers,
        sum(case when split_cells.month = months.month then split_cells.customers else 0 end) as active_customers
    from split_cells
    inner join months
        on months.month >= split_cells.cohort_month
    group by
        split_cells.cohort_month, split_cells.split, split_cells.split_value,
        months.month, months.is_complete, months.month_number
)

select
    cohort_month,
    split,
    split_value,
    cast(
        month_number - (extract(year from cohort_month) * 12 + extract(month from cohort_month)) as integer
    ) as months_since,
    month,
    is_complete,
    cast(cohort_customers as bigint) as cohort_customers,
    cast(active_customers as bigint) as active_customers,
    cast(active_customers as double) / nullif(cast(cohort_customers as double), 0) as retention_rate
from triangle
