-- Ends on the night: a day that has not been has no figures to join to.
with days as (
    select cast(series.day as date) as day
    from generate_series(date '2000-01-01', $night, interval '1 day') as series (day)
),

months as (
    select
        day,
        cast(date_trunc('month', day) as date) as month_start,
        cast(cast(date_trunc('month', day) as date) + interval '1 month' as date) as next_month_start
    from days
)

select
    day,
    cast(extract(year from day) as integer) as year,
    cast(extract(quarter from day) as integer) as quarter,
    cast(extract(month from day) as integer) as month,
    month_start,
    cast(next_month_start - 1 as date) as month_end,
    cast(date_trunc('week', day) as date) as week_start,
    cast((extract(dow from day) + 6) % 7 + 1 as integer) as day_of_week,
    cast(extract(day from day) as integer) as day_of_month,
    cast(extract(doy from day) as integer) as day_of_year,
    cast(next_month_start - month_start as integer) as days_in_month,
    extract(dow from day) in (0, 6) as is_weekend
from months
