delete from notification_preferences where channel = 'WEBHOOK';
alter table notification_deliveries drop column body_json;
alter table notification_preferences
    drop constraint notification_preferences_channel_check,
    add constraint notification_preferences_channel_check check (channel in ('EMAIL', 'IN_APP'));
drop table webhook_endpoints;
