alter table uploads drop column adapter;
