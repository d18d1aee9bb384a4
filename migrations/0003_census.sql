CREATE TABLE `census` (
	`id` integer PRIMARY KEY NOT NULL,
	`swarms` integer NOT NULL,
	`peers` integer NOT NULL,
	`counted` integer NOT NULL
);
--> statement-breakpoint
INSERT INTO `census` (`id`, `swarms`, `peers`, `counted`) VALUES (1, 0, 0, 0);--> statement-breakpoint
DROP INDEX `peers_address`;--> statement-breakpoint
ALTER TABLE `peers` ADD `network` text DEFAULT '' NOT NULL;--> statement-breakpoint
UPDATE `peers` SET `network` = `host`;--> statement-breakpoint
CREATE UNIQUE INDEX `peers_address` ON `peers` (`swarm`,`network`,`host`,`port`);