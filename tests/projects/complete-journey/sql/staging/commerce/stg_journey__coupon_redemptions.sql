-- A household may redeem the same coupon twice on one day: nothing but its place in the export tells them apart.
select
    _file as file,
    _record as record,
    household_id,
    coupon_upc,
    campaign_id,
    redemption_date as redeemed_on
from bronze.coupon_redemptions
