-- What was known of each booking when it came in.
select
    s.booking_id,
    s.night,
    b.arrival_on,
    b.lead_days,
    cast(extract(month from b.arrival_on) as integer) as arrival_month,
    b.weekend_nights,
    b.week_nights,
    b.adults,
    b.children,
    b.babies,
    b.meal,
    b.market_segment,
    b.channel,
    b.is_repeated_guest,
    b.earlier_cancellations,
    b.earlier_stays,
    b.room,
    b.deposit,
    b.agent,
    b.company,
    b.customer_type,
    b.price
from features.booking_spine as s
left join staging.stg_hotel__bookings as b on b.booking_id = s.booking_id
