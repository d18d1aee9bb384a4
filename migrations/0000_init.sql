CREATE TABLE `peers` (
	`swarm` integer NOT NULL,
	`random` integer NOT NULL,
	`host` text NOT NULL,
	`port` integer NOT NULL,
	`peer` text,
	`complete` integer NOT NULL,
	`expires` integer NOT NULL,
	PRIMARY KEY(`swarm`, `random`, `host`, `port`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `peers_address` ON `peers` (`swarm`,`host`,`port`);--> statement-breakpoint
CREATE UNIQUE INDEX `peers_peer` ON `peers` (`swarm`,`peer`);--> statement-breakpoint
CREATE TABLE `swarms` (
	`id` integer PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`expires` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `swarms_hash_unique` ON `swarms` (`hash`);