-- Bookings by the number of their record: the export has no name for them. The day of arrival is put together from its parts.
with dated as (
    select
        *,
        cast(concat(
            cast(arrival_year as varchar), '-',
            case arrival_month
                when 'January' then '01'
                when 'February' then '02'
                when 'March' then '03'
                when 'April' then '04'
                when 'May' then '05'
                when 'June' then '06'
                when 'July' then '07'
                when 'August' then '08'
                when 'September' then '09'
                when 'October' then '10'
                when 'November' then '11'
                when 'December' then '12'
            end, '-',
            lpad(cast(arrival_day as varchar), 2, '0')
        ) as date) as arrival_on
    from bronze.hotel_bookings
)

select
    cast(_record as varchar) as booking_id,
    arrival_on - lead_days as booked_on,
    arrival_on,
    lead_days,
    weekend_nights,
    week_nights,
    adults,
    children,
    babies,
    meal,
    market_segment,
    channel,
    is_repeated_guest,
    earlier_cancellations,
    earlier_stays,
    room,
    deposit,
    agent,
    company,
    customer_type,
    price,
    case when is_cancelled then status_on end as cancelled_on
from dated
